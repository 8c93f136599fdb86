"""What an answer is: one parser, one comparison, the vote of several samples, and reviews."""
