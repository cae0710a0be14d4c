"""Heads: one objective each."""

from .dino_head import DINOHead

__all__ = ['DINOHead']
