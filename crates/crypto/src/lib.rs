//! What only the holder of a seed may do. Pure: randomness is a parameter.
