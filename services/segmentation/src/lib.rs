//! segmentation.
