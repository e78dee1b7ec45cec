"""The parts of the Settings page that do something: notices and cleaning up."""
