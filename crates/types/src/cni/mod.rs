//! CNI 1.1: the call, the configuration, the result in each version, the errors.
