"""The other end, as Chains has it: scripts that run where ``truss`` is installed, and not here."""
