"""Classic bugs in what every system on the kit is made of. A system says where they are hunted."""
