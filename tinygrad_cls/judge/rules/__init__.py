"""Losses and optimizers, held to rules written for reading."""
