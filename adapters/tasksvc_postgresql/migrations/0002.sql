-- `folded` is in normal form C, which a search compares.  What ASCII alone makes up is so already.
UPDATE tasks SET folded = normalize(folded, NFC) WHERE folded IS NOT NFC NORMALIZED;
