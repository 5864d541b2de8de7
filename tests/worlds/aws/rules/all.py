"""Every file of rules: importing this one makes them known."""
