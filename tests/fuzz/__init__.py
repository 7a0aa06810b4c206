"""Seeded mutations of one small image for each format, through the opener, the walk and every read.

``images`` makes the images, ``mutation`` changes them, ``observe`` opens and reads one, ``judge`` compares with what
the sound image gave, ``pool`` does it in processes that may die. ``run`` is the long run from the command line.
"""
