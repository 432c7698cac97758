"""Pictures of convolutions: scenes, drawings, animations, the explorer and the notebook widget."""
