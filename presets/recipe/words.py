"""Common words, so that the tokenizer writes a stranger's sentence in few tokens. The model itself never reads them."""

ENGLISH = """
the be to of and a in that have it for not on with he as you do at this but his by from they we say her she or an will my one
all would there their what so up out if about who get which go me when make can like time no just him know take people into
year your good some could them see other than then now look only come its over think also back after use two how our work
first well way even new want because any these give day most us is are was were been being has had does did doing said says
going made making using used find found finding tell told ask asked need needs needed feel felt become leave left call called
try tried keep kept let begin began help helped show shown hear heard play run running move live believe hold bring happen
must write wrote written provide sit stand lose pay meet include continue set learn change lead understand watch follow stop
create created speak read allow add spend grow open walk win offer remember love consider appear buy wait serve die send expect
build stay fall cut reach kill remain suggest raise pass sell require report decide pull return explain hope develop carry
break receive agree support hit produce eat cover catch draw choose cause point listen realize place close involve increase
information system program question government number night world area money story fact month lot right study book word
business issue side kind head house service friend father power hour game line end member law car city community name
president team minute idea body information parent face others level office door health person art war history party result
morning reason research girl guy moment air teacher force education foot boy age policy everything process music market sense
nation plan college interest death experience effect class control field development role effort rate heart drug show leader
light voice wife police mind price decision son view relationship town road arm difference value building action season
society tax director position player record paper space ground form event official matter center couple site project
activity star table court produce american oil situation cost industry figure street image phone data picture practice piece
land product doctor wall patient worker news test movie north love step skill material film quality pressure answer science
technology language model computer software machine network internet website email message text file document list example
great high old big small large next early young important few public bad same able different long little own last best better
sure free true whole clear full special hard easy strong possible late general real simple local major social national human
international recent certain personal open red difficult available likely short single medical current wrong private past
foreign fine common poor natural significant similar hot dead central happy serious ready environmental financial blue
democratic dark various entire close legal religious cold final main green nice huge popular traditional cultural
order orders ordered account password reset refund payment invoice delivery delivered shipping shipped package parcel return
customer customers support ticket problem error issue please thank thanks sorry contact cancel subscription item items product
website login address card bank charge charged wrong broken damaged missing size colour color warranty repair update version
very really quite too still never always often sometimes usually already soon again here there where why how however although
while since before during until between through against without within under above below near far around across along
towards upon among each every both either neither another such several many much more less most least enough almost also
something anything nothing someone anyone everyone nobody today tomorrow yesterday week weekend month spring summer autumn
winter january february march april may june july august september october november december monday tuesday wednesday
thursday friday saturday sunday one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty
hundred thousand million first second third half quarter percent water food bread milk tea coffee sugar fruit meat fish
garden kitchen room bed table chair window floor school student students lesson country countries state states river sea
mountain tree flower animal bird dog cat horse weather rain snow wind sun moon star stars earth sky fire stone
following describe explain generate sentence given summarize rewrite classify identify list suggest provide compare write
paragraph poem article title topic following input output instruction response respond describe analysis design method
energy climate renewable global economy economic benefits increase decrease environment community individual opportunities
arr ahoy matey aye yer captain ship treasure crew sail port pirate mate deck island chest anchor seas
tion sion ment ness able ible ful less ing ed er est ly ity ous ive al ic ism ist ance ence
""".split()

GERMAN = """
der die das und ist in den von zu mit sich auf für nicht ein eine als auch es an werden aus er hat dass sie nach wird bei
einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde sei wir ich
du ihr mein dein unser kein heute morgen gestern gut groß klein alt neu rot blau grün schwarz weiß gelb Haus Katze Hund Buch
Tisch Stuhl Garten Schule Freund Frau Mann Kind Kinder Wasser Brot Milch Apfel Tag Nacht Stadt Auto Straße Zug Vogel Baum
Blume Sonne Mond trinkt isst liest kauft sieht sucht findet schläft spielt geht kommt Lehrer Lehrerin Küche Park Markt
""".split()
