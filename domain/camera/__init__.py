"""Sites and cameras: a site hosts cameras; owner, operator and maintainer differ."""
