"""A run of generate that is killed again and again: what is lost, what is sent twice, what comes out."""
