"""Log lines during an extraction of features that takes long."""

import logging
import time

from mmengine.dist import get_world_size

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Counts images and logs a line from time to time; a short extraction logs none.

    Args:
        name: What is extracted.
        images: Size of the data set, of all processes.
        logger: Takes the lines.
    """

    def __init__(self, name: str, images: int, logger: logging.Logger) -> None:
        self.name = name
        self.images = images
        self.logger = logger
        self.done = 0
        self.start = self.last_line = time.monotonic()

    def add(self, images: int) -> None:
        """Counts a batch of this process; the others are taken to be as far."""
        self.done = min(self.done + images * get_world_size(), self.images)
        now = time.monotonic()
        if now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            self.logger.info(
                f'k-NN: {self.done} of {self.images} {self.name} images, '
                f'{self.done / (now - self.start):.0f} images/s'
            )
