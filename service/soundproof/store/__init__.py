"""What is kept: certificates under their content address, and jobs that outlive the process."""
