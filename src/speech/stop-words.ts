/**
 * Words that give away a language written in Latin letters: its most frequent short ones, and what a first line often
 * says. A word that several languages share counts for each of them, but less.
 */
export const STOP_WORDS: Readonly<Record<string, string>> = {
  en: 'the and of to in is it you that was for on are with as his they at be this have from or one had by but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more go see no could people my than first been call who its now find long down day did get come made may part hello hi good morning thanks thank please yes world welcome name am i me a us our here today',
  de: 'der die das und ist nicht ein eine einen einem einer zu den von mit sich auf für im dem auch es an als aus er hat dass sie nach wird bei noch wie über so nur oder aber wenn kann man werden ich wir ihr mir mich dich uns euch haben sind war wurde zum zur bis mehr durch vor unter gegen vom schon hallo guten tag morgen abend danke bitte ja nein welt heute hier mein dein heißt geht willkommen',
  fr: 'le la les de des du un une et est à il elle que qui dans en pour pas ne sur ce se au avec sont plus par je vous nous ils mais ou où son sa ses cette été être fait comme tout bien aussi leur même bonjour bonsoir salut merci oui non monde suis mon ma mes aujourd hui très ça va voici ici c j d l n s qu',
  es: 'el la los las de que y en un una es no se por con para su al lo como más pero sus le ya o este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante yo eso hola buenos buenas días tardes gracias mundo estoy mi tu está soy eres cómo qué del bien hoy',
  it: 'il lo la i gli le di che e è un una uno in non per con del della dei delle da si al alla sono come ma anche più nel nella se ci questo questa io tu lui lei noi voi loro ho hai ha hanno era essere mi ciao buongiorno buonasera grazie mondo sto sei oggi molto bene perché cosa dove qui',
  pt: 'o a os as de que e do da em um uma para é com não no na se por mais dos das como mas ao ele ela são seu sua ou quando muito nos já eu também só pelo pela até isso entre era depois sem mesmo aos seus quem nas me esse eles você foi olá oi bom dia obrigado obrigada mundo estou meu minha tudo bem hoje está',
  nl: 'de het een en van ik te dat die in je niet zijn is was op aan met als voor had er maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot mij uit der daar haar naar heb hoe heeft hebben deze u want nog zal me zij nu ge geen iets worden toch hallo goedemorgen dank wel wereld vandaag goed gaat jij wij',
  pl: 'i w na z się do nie to jest że o jak za od po ale co tak przez dla czy już tylko jego jej są był było być może ten ta te tym tego które który która mnie mi ja ty my pan pani dzień dobry cześć dziękuję proszę świat jestem masz dzisiaj bardzo',
  tr: 've bir bu da de için ile çok ne o ben sen biz siz onlar gibi daha en ama var yok mi mı mu mü ki kadar sonra her değil olarak olan oldu şey nasıl merhaba günaydın iyi günler teşekkürler teşekkür ederim dünya bugün evet hayır benim adım',
  sv: 'och att det i en jag hon som han på den med var sig för så till är men ett om hade de av icke mig du henne då sin nu har inte hans honom skulle hennes där min man ej vid kunde något från ut när efter upp vi dem vara vad över än dig kan sina här ha mot alla under någon hej god dag tack världen idag heter',
  da: 'og i jeg det at en den til er som på de med han af for ikke der var mig sig men et har om vi min havde ham hun nu over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev kunne ind når være dog noget hej god dag går godmorgen tak verden hedder hvordan går dig',
  nb: 'og i jeg det at en et den til er som på de med han av ikke der så var meg seg men ett har om vi min mitt ha hadde hun nå over da ved fra du ut sin dem oss opp man kan hans hvor eller hva skal selv her alle vil bli ble kunne inn når være kom noen noe ville hei god dag går deg morgen takk verden heter hvordan',
  fi: 'ja on ei se että hän oli joka mutta ovat kun niin tai myös olen minä sinä me te he mitä nyt jos vain kuin sen ole tämä kaikki voi hyvää päivää huomenta hei moi kiitos maailma mikä nimeni tänään missä',
  cs: 'a je se v na to že s z do i o ale jako za by pro jsem jsou být co tak po jeho který která které ve si když už jen ten ta byl bylo není ahoj dobrý den děkuji prosím svět jmenuji dnes jak máte',
  sk: 'a je sa v na to že s z do aj o ale ako za by pre som sú byť čo tak po jeho ktorý ktorá ktoré vo si keď už len ten tá bol bolo nie ahoj dobrý deň ďakujem prosím svet volám dnes máte',
  hu: 'a az és hogy nem is egy ez de van volt meg csak már mint ha vagy ki mi én te ő még el fel azt ezt lesz kell nagyon szia jó napot reggelt köszönöm igen világ hogyan vagyok ma neve',
  ro: 'și de la în a nu cu o pe un este din că care mai pentru sunt se ce am ai au fi fost să le lui sa eu tu el ea noi voi ei dar sau când cum unde foarte bună ziua salut mulțumesc lume astăzi numele meu',
  hr: 'i je u na se da su za od ne to s kao a što ili ali iz o bi sam si smo ste koji koja koje biti bio bilo samo već još dobar dan hvala svijet kako zovem danas',
  sl: 'in je v na se da so za od ne to s kot pa ali iz o bi sem si smo ste ki biti bil bilo samo že še dober dan hvala svet kako danes',
  lt: 'ir yra kad į su iš ne tai bet ar kaip o buvo jis ji aš tu mes už nuo apie labas ačiū pasaulis diena šiandien',
  lv: 'un ir ka no ar uz ne tas bet vai kā es tu mēs viņš viņa par pie labdien sveiki paldies pasaule šodien',
  et: 'ja on ei see et ta oli mis kui ka ma sa me te nad aga või oma ning siis tere aitäh maailm täna kuidas',
  id: 'yang dan di ini itu dengan untuk dari tidak pada ke adalah akan saya anda kami kita mereka juga ada atau bisa sudah apa selamat pagi siang terima kasih dunia hari halo nama apa kabar',
  ca: 'el la els les de que i en un una és no es per amb del al com més però seu també jo hi ha són hola bon dia gràcies món estic avui molt aquest aquesta',
  sw: 'na ya wa kwa ni za katika la hii kuwa yake hiyo lakini kama mimi wewe sisi habari asante jambo dunia leo sana',
  eo: 'la kaj de en al estas ke ne mi vi li ŝi ĝi ni ili por kun kiel sed pri tio saluton dankon mondo bonan tagon',
  sq: 'dhe e të në një është për me nuk që ka nga si do unë ti ai ajo ne kjo por përshëndetje mirë faleminderit botë',
  cy: 'y yr a i o yn mae ei ar am fod wedi ac oedd gan fel bod hefyd bore da diolch byd heddiw',
  is: 'og að í er á sem það til um hann með ekki við var en af fyrir ég þú hún góðan daginn takk heimur',
  eu: 'eta da ez bat ere du dira zen hau hori egin dut kaixo egun eskerrik asko mundua',
  vi: 'và là của có không được cho các một với trong người này đã tôi bạn những khi đến cũng về ra để xin chào cảm ơn thế giới hôm nay rất',
  az: 'və bir bu üçün ilə çox nə mən sən biz siz kimi daha var yox deyil salam sağ ol dünya bugün necə',
};

/** Letters that hardly any other language in Latin letters has. */
export const TELLING_LETTERS: Readonly<Record<string, string>> = {
  de: 'ß', es: 'ñ¿¡', pt: 'ãõ', pl: 'łąęśźżćń', tr: 'ğışİ', cs: 'řěů', sk: 'ľĺŕô', hu: 'őű', ro: 'țșăâ', fr: 'œçêèàùûî',
  sv: 'åäö', da: 'øæå', nb: 'øæå', fi: 'äö', lv: 'āēīūķļņģ', lt: 'ėįųū', et: 'õäöü', is: 'ðþ', sq: 'ëç', eo: 'ĉĝĥĵŝŭ',
  cy: 'ŵŷ', vi: 'ơưđăạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ', az: 'əğışç', ca: 'ŀ·', hr: 'đčćžš', sl: 'čšž',
  it: 'ìòù',
}; // prettier-ignore
