/** What a project may be called: a name that is safe as that of a folder. */
export const PROJECT_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;
export const PROJECT_RULE = '1 to 64 letters, digits, ".", "-" and "_", the first a letter or a digit';
