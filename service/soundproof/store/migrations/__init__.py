"""The history of the tables. Forward only: the way back is the backup from before an upgrade."""
