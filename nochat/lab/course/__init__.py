"""The course without hands: its notebooks run by papermill, with what failed in them and where."""
