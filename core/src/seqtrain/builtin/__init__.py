"""Components that come with core, offered through the same door as everybody's."""
