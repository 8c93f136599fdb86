"""Asking the teacher: requests in, durable answers out, each paid for once."""
