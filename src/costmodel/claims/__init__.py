"""How far does a sentence hold? Claims as data, with a probability and what it hangs on."""
