"""What an unknown device can do, found by reading alone and without haste: for `check` and `discover`."""

from hal.survey.capability import ImageComparison, LargestBlock, compare_images, largest_block
from hal.survey.ranges import readable_ranges
from hal.survey.reader import BlockReader, Pace, SurveyReader, attempt

__all__ = [
    "BlockReader",
    "ImageComparison",
    "LargestBlock",
    "Pace",
    "SurveyReader",
    "attempt",
    "compare_images",
    "largest_block",
    "readable_ranges",
]
