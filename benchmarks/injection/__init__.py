"""Attacks in the traffic: how many answers flip, of the students and of the packaged model as a teacher."""
