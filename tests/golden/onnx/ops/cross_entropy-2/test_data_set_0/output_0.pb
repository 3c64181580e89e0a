J
ì6Až±’BI†A/é@*¯8BhEBB