"""Words and beginnings that every text of some language is full of: a gate of these says little.

Only the order in which gates are looked for depends on this list, never a result.
"""

_WORDS = """
    the and you for with that have this from not are was were they will what your she her his him has had but all can
    one our out who how when where there would could their been more about into then them some need want get got make
    come know see like time work pay money now new day just only also other after before must over any no to in of is
    it on me my we he be do go at as by or an so if up us a i
    que por para con una los las del como más mas pero sus este esta son está todo muy sin sobre ser hay nos ella él
    de la el en y se lo le un al su es si ya te tu mi yo
    pour avec dans les des est pas une vous nous sur par plus sont qui mais ses elle lui tout fait être ont aux
    et du ce il je ne on au
    der die das und ich nicht mit ein ist sie den von auf für sich des dem eine auch als bei noch nach wir aus nur wie
    er es zu im so
    che per non sono una del della con come più anche questo alla nel gli mio tuo
    di il e un in si ma lo ho ha
    não uma com dos das mais seu sua ele ela isso mas foi tem você sem quando pode
    o os do da no na em um eu se
    care este pentru sunt din mai fost lui sau dar când poate
    și să la cu pe nu un o în ca
    ten tak jak nie się jest dla ale był przez tego jego
    ne ve bir için bu ile çok ama var daha ben sen
    không của là và có cho người một được với các trong khi này đã anh em con tôi
    что это как его для она они был так все при или уже только если мне меня тебя нет
    в и на не с по я он к а о у из за
"""

FREQUENT = frozenset(_WORDS.split())
