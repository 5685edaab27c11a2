"""Tests of authentication, authorization and rate limits."""
