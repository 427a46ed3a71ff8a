"""What engines are told and what they answer."""
