"""The timetable: what is deployed, and how the house is opened and closed."""
