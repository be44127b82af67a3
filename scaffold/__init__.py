"""What `gateway plugins new` copies: folders laid over each other, in which ``acme`` becomes the plugin's name."""
