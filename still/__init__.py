"""What a person runs: the `still` command."""
