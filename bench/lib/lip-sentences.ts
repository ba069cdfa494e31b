/** What the voices say in `bench:lips`: the guesses from sound are fitted on `tune` and judged on `test`. */
export const SENTENCES = {
  en: {
    test: [
      'The quick brown fox jumps over the lazy dog while the farmer sleeps.',
      'Please call me tomorrow morning before the meeting begins.',
      'A small boat drifted far away from the calm harbour.',
      'We should probably buy more apples, bread and a bottle of milk.',
      'Have you ever heard how the ocean sounds at night?',
      'My father drove the car past the old market on the hill.',
      'She sells sea shells, but nobody buys them any more.',
      'Good evening, and welcome to the news of the day.',
      'Maybe Bob and Pam will bring the big map home by bus.',
      'The weather is warm today, with hardly a cloud above the bay.',
    ],
    tune: [
      'Peter bought a bag of potatoes and a loaf of brown bread.',
      'Nobody knew what had happened to the old piano in the hall.',
      'Open the window, it is far too hot in here.',
      'Her mother paints pictures of mountains, rivers and people.',
      'I would rather walk along the beach than wait for the bus.',
      'The number you have called is not available at the moment.',
      'Thank you very much for your patience and support.',
      'A huge purple balloon floated slowly over our garden.',
      'Could you show me how this machine works, please?',
      'He laughed so hard that he dropped his cup of tea.',
      'Most of the shops are open from nine until five.',
      'Remember to bring your passport and a photograph.',
      'The children played games under the apple tree all afternoon.',
      'What a wonderful surprise to see you here again.',
    ],
  },
  de: {
    test: [
      'Guten Abend, meine Damen und Herren, willkommen bei den Nachrichten.',
      'Am Morgen fahren wir mit dem Bus bis zum alten Bahnhof.',
      'Der kleine Apfelbaum blüht im Mai besonders schön.',
      'Haben Sie noch Fragen, oder sollen wir gleich anfangen?',
      'Meine Mutter backt am Samstag immer einen Pflaumenkuchen.',
      'Das Wetter bleibt morgen warm, aber am Abend kommt Regen.',
      'Bitte nehmen Sie Platz, der Arzt kommt in wenigen Minuten.',
      'Im Sommer baden viele Leute am großen See hinter dem Wald.',
      'Papa braucht noch Papier, Pappe und eine Lampe.',
      'Warum hat niemand gesagt, dass der Laden heute zu hat?',
    ],
    tune: [
      'Die Kinder spielen draußen im Garten mit dem neuen Ball.',
      'Können Sie mir bitte sagen, wie spät es ist?',
      'Unser Zug hat leider eine halbe Stunde Verspätung.',
      'Ich möchte einen Kaffee mit Milch und ein Stück Kuchen.',
      'Über den Bergen liegt heute dichter Nebel.',
      'Er wohnt seit vielen Jahren in einem kleinen Dorf an der Mosel.',
      'Vielen Dank für Ihre Geduld und auf Wiederhören.',
      'Das Paket wurde gestern Nachmittag beim Nachbarn abgegeben.',
    ],
  },
  cmn: {
    test: [
      '今天的天气非常好，我们一起去公园散步吧。',
      '欢迎大家收看今天晚上的新闻节目。',
      '妈妈每天早上都给我做美味的面包。',
      '请问，从这里到火车站怎么走？',
      '爸爸买了一本关于航海的大地图。',
      '他喜欢听音乐，也喜欢画画和跑步。',
      '明天下午我们办公室有一个重要的会议。',
      '这家饭馆的包子又便宜又好吃。',
      '北方的冬天很冷，但是房间里很暖和。',
      '朋友们慢慢爬上了那座高高的山。',
    ],
    tune: [
      '谢谢您的耐心等待，我们马上为您服务。',
      '孩子们在院子里玩新买的皮球。',
      '我想喝一杯不加糖的咖啡。',
      '老师让我们把课本翻到第八页。',
      '昨天晚上下了一场大雪，路上很滑。',
      '他在北京住了十五年，普通话说得很标准。',
      '火车晚点了半个小时，请大家不要着急。',
      '奶奶包的饺子味道特别香。',
    ],
  },
} as const;

export type BenchLanguage = keyof typeof SENTENCES;

/** The voices that are judged, and the language of each. */
export const BENCH_VOICES = [
  { name: 'en', engine: 'espeak', language: 'en' },
  { name: 'de', engine: 'espeak', language: 'de' },
  { name: 'cmn', engine: 'espeak', language: 'cmn' },
  { name: 'slt', engine: 'flite', language: 'en' },
  { name: 'rms', engine: 'flite', language: 'en' },
  { name: 'awb', engine: 'flite', language: 'en' },
] as const;
