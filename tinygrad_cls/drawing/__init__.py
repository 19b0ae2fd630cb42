"""Pictures of graphs: a layered layout, an SVG writer, trees and other text. Of boxes and arrows;
nothing here has heard of tensors.
"""
