//! Rules of this workspace that can be checked by looking at it (style: CONTRIBUTING.md).
