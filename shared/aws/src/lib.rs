//! The ports on AWS, and the Lambda start-up.
