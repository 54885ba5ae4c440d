"""What happens around the commands of a batch: one concern, one file, one signature, Step -> Step."""
