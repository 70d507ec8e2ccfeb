"""The words the corpus is made of: some are typed here, inflecting and joining makes thousands.

Earlier words of a list are the more frequent ones.
"""

FIRST_NAMES = """
    Anna Tom Priya Lucas Maria Ahmed Sofia Ben Mei Carlos Nora David Fatima Jonas Elena Sam Aisha
    Peter Hana Omar Julia Marcus Leila Viktor Grace Diego Ingrid Rahul Chloe Mateo Yuki Oscar
    Zainab Felix Amara Liam Petra Kofi Isabel Dmitri Alice Hugo Nadia Ravi Clara Emil Tessa Kwame
    Rosa Stefan Lena Arthur Miriam Pablo Freya Idris Vera Noah Salma George Ines Bruno Thea Kenji
    Olga Simon Dalia Erik Paula Tariq Ruth Milo Greta Joao Esther Nils Farah Walter Agnes Tobias
""".split()

#: Surnames and towns are a head and a tail: Ashford, Kingsbury, Millbrook.
NAME_HEADS = """
    Ash Black King Mill North Oak Red South Wood Brad Clay Fair Green Hart High Holm Lang Marsh
    New Pem Ram Stan Thorn Wake West White Win Al Bark Bex Burn Chat Cran Dun Ed Far Gil Hal Har
    Hazel Kel Lin Lock Long Mar Nor Old Pad Rock Rose Salt Shel Stock Sut Ther Wal Wells Wey
""".split()
SURNAME_TAILS = """
    ley field ford well man son wood worth more ridge croft cliffe stone smith wright shaw ward
    ling cott bourne
""".split()
TOWN_TAILS = """
    ton bury ham ville mouth port borough minster haven bridge pool stead gate church wick ness
    caster chester holme dale
""".split()

NOUNS = """
    project report meeting garden kitchen invoice server house letter plan budget recipe car
    ticket contract database dog flight guitar doctor school album appointment bicycle library
    workshop deadline password camera lesson passport battery dashboard bakery podcast marathon
    printer apartment mortgage allergy vaccine festival concert museum painting violin piano novel
    essay chapter lecture exam degree thesis scholarship laptop keyboard monitor router cable
    sensor thermostat boiler radiator fence roof window curtain carpet sofa lamp wardrobe mattress
    blanket oven kettle toaster blender saucepan casserole lasagne curry salad soup omelette
    pancake cheesecake sourdough risotto tomato onion carrot pepper mushroom lemon apricot almond
    cinnamon ginger compiler parser migration backup endpoint gateway queue cluster container
    pipeline scheduler regression benchmark release branch commit ticketing prototype firmware
    schema index cache token certificate firewall webhook payload transaction replica shard
    timeout latency outage incident newsletter campaign survey brochure catalogue warehouse
    shipment supplier customer refund voucher subscription warranty receipt payroll pension audit
    forecast spreadsheet ledger dividend grant tournament goalkeeper racket helmet tent rucksack
    compass kayak surfboard snowboard trail summit glacier canyon harbour ferry lighthouse island
    peninsula reservoir orchard vineyard meadow hedgerow tulip rosemary lavender sunflower compost
    greenhouse beehive hamster kitten parrot terrier veterinarian dentist physiotherapist
    pharmacist prescription inhaler bandage crutch migraine cholesterol insulin pregnancy nursery
    playground birthday anniversary wedding honeymoon funeral graduation reunion housewarming
    barbecue picnic choir orchestra rehearsal audition saxophone drummer sculpture ceramics
    watercolour embroidery knitting crossword chessboard telescope microscope drone excavator
    scaffold blueprint lease landlord tenant plumber electrician carpenter locksmith ambulance
    sergeant councillor ambassador translator librarian archivist curator apprentice scarf jacket
    umbrella bracelet necklace wristwatch suitcase wallet envelope postcard parcel
""".split()

#: Regular verbs, whose forms a rule can make.
VERBS = """
    need start finish call plan cook paint move visit order repair book return cancel discuss
    explain clean open close learn practise deliver print record review test deploy rename import
    export measure compare collect support design install replace restore upgrade archive schedule
    approve decline prepare bake roast pickle plant water harvest borrow lend donate recycle
    polish decorate organise sketch translate publish rehearse photograph celebrate invite
    remember mention promise suggest recommend postpone reschedule negotiate renew insure invest
    audit calculate estimate investigate debug refactor benchmark monitor encrypt configure
    automate document validate duplicate compress assemble dismantle varnish sharpen sew knit
    climb paddle jog stretch volunteer campaign mentor coach tutor adopt vaccinate groom feed
    rescue transport unload
""".split()

ADJECTIVES = """
    new old small blue red quiet large green broken cheap expensive early late important urgent
    shared private local weekly monthly annual final spare wooden ceramic digital portable
    reliable fragile temporary permanent optional mandatory bilingual vegetarian gluten-free
    homemade antique modern spacious narrow bright gloomy rusty dusty glossy woollen leather
    plastic copper silver golden emerald crimson turquoise ivory sturdy lightweight waterproof
    wireless encrypted redundant experimental deprecated obsolete verbose cautious generous
    stubborn cheerful anxious curious patient punctual sceptical enthusiastic chaotic peaceful
    remote coastal alpine rural urban tropical medieval contemporary authentic fragrant bitter
    spicy salty crispy lukewarm frozen overdue refundable
""".split()

TAGS = """
    work family home health travel food music project preference person deadline finance sport
    book idea school code purchase contact garden
""".split()
