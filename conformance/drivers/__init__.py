"""Actions and expectations that checks share: requests, pages, exits, the dashboard."""
