"""A resequencing experiment of which everything is known: genome, variants, reads, and what is wrong with them.

All of it follows from one seed. The order in which random numbers are drawn is part of the format: golden figures of
the tests hold only as long as the same seed gives the same bytes.
"""
