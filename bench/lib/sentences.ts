/** Different sentences, so that nothing that was spoken before helps. */
export const ANSWERS = [
  'Good morning, how may I help you today?',
  'The train to the coast leaves at nine from platform four.',
  'I am sorry, the museum is closed on Mondays.',
  'Yes, we have a table for two by the window.',
  'Your parcel was handed over to the neighbours yesterday evening.',
  'It is going to rain in the afternoon, so take an umbrella with you.',
  'Please wait a moment while I look for the number.',
  'That is a very good question, and there is no short answer to it.',
  'Turn left behind the church, and then walk straight on.',
  'We deliver on every working day between eight and six.',
  'The blue one is cheaper, but the green one lasts much longer.',
  'Thank you for calling, and have a pleasant weekend.',
] as const;

/** Each goes on for some seconds without a long pause. */
export const STORIES = [
  'Once upon a time there was a miller who had nothing left but an old mill and a very clever cat that wore boots',
  'A long way from here and a long time ago people crossed the mountains only in summer when all the snow was gone',
  'My grandmother always told us that the sea was once as sweet as milk until somebody dropped a salt mill into it',
  'Nobody in the little town could remember a winter as cold as the one in which the lake froze to the very bottom',
  'The old clock above the market place had been wrong for so many years that everyone had learned to live by it',
  'In the garden behind the house there grew an apple tree whose branches reached over the wall into the road below',
] as const;
