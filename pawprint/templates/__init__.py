"""What `pawprint init` writes into a project, and how `pawprint upgrade` renews it."""
