"""What shows that a channel works, without paging anybody. Nothing of it is imported by the function."""
