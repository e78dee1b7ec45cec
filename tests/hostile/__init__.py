"""Files and folders made to break whoever reads them, through every way in."""
