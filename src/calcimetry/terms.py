"""Words that may stand in a result: terms of anatomy and codes of machines, nothing that was typed.

A description, a body part or the name of a structure in a label map is text that a person typed,
and people type names. So such text stands in a result only where every word of it is a term of
anatomy; what a scanner writes of itself stands where it looks like a code.
"""

from __future__ import annotations

import re

_BODY = """
abdomen abdominal acetabulum achilles adductor adrenal airway ankle annular antebrachium anterior
aorta aortic apex appendage appendicular appendix arch arm arterial artery articular articulation
ascending atlas atrial atrium auricle autochthon autochthonous axial axilla axillary axis azygos
back biceps bicipital bile bladder body bone bones bowel brachial brachiocephalic brachium brain
breast bronchus buttock buttocks calcaneum calcaneus calf calvarium capitate capsule caput cardiac
carotid carpal carpals carpus cartilage cartilages caudal cava cavity celiac central cerebellum
cerebrum cervical chest clavicle clavicles clavicula coccyx coeliac collum colon column common
condyle condylus coracoid cord coronal coronary coronoid corpus cortex cortical costa costae
costal cranial cranium crest cricoid cruris crus cubital cubiti cuboid cuneiform cyst deep deltoid
dens descending diaphragm diaphysis digit digital digiti digitorum digits disc disk distal dorsal
dorsum duct duodenum ear elbow epicondyle epiphysis erector esophagus external extremity eye eyes
fabella face facet facial fascia fat femora femoral femur femurs fibula fibulae fibular finger
fingers fingertip flexor foot foramen forearm forefoot forehead fossa frontal gallbladder gland
glenoid
gluteal gluteus groin hallux hamate hand hands head heart heel hemisphere hepatic hilum hindfoot
hip hips humeral humeri humerus hyoid iliac iliacus iliopsoas ilium index inferior inguinal inner
innominate interphalangeal intertarsal intervertebral intestine ischial ischium jaw joint joints
jugular kidney kidneys knee knees labrum lamina large larynx lateral left leg legs lesser ligament
limb limbs lip liver lobe lower lumbar lumbosacral lunate lung lungs malleolus mandible mandibula
manubrium manus maxilla maxillary maximus medial mediastinum medius medulla meniscus metacarpal
metacarpale metacarpals metacarpophalangeal metacarpus metaphysis metatarsal metatarsale
metatarsals metatarsophalangeal metatarsus middle midfoot minimus minor mouth muscle muscles
myocardium naris nasal navicular neck nose oblique occipital occiput olecranon orbit orbita
ossicle outer ovary palate palm palmar pancreas parietal parotid patella patellae patellar
pectoral pectoralis pedicle pedis pelvic pelvis pericardium peroneal peroneus phalanges phalanx
pharynx pisiform plantar pollex pollicis popliteal portal posterior process prostate proximal
psoas pubic pubis pulmonary quadratus quadriceps radial radii radius ramus rectum rectus renal rib
ribs right sacral sacroiliac sacrum sagittal scaphoid scapula scapulae scrotum segment sella
sesamoid sesamoids shaft shank shin shinbone shoulder shoulders sinus skeleton skin skull small
soft sole spinal spine spinous spleen splenic sternal sternoclavicular sternum stomach styloid
subclavian subcutis subtalar superior supraspinatus symphysis tail talus tarsal tarsals tarsus
teeth temporal temporomandibular tendon testis thigh thighs thoracic thorax thumb thymus thyroid
tibia tibiae tibial tissue toe toes tongue tonsil tooth trachea transverse trapezium trapezoid
triceps triquetral triquetrum trochanter trunk tubercle tuberosity ulna ulnae ulnar umbilicus
upper urethra urinary uterus vagus vein vena ventral ventricle vertebra vertebrae vertebral vessel
vessels viscera volar wall wrist wrists xiphoid zygoma zygomatic zygomaticus
"""
_SHORT = """
acj cmc dip dp ij ip ll lt mc mcp mp mt mtp n pip pp rt tmj ul sup inf ant post lat med dist prox
cspine lspine tspine ssspine cspn abd chestabdpelvis abdomenpelvis chestabdomen headneck neckchest
thoraxabdomen wholebody whole upper lower uprleg lowleg upperarm lowerleg upperlimb lowerlimb
uplimb lowlimb extremities bothhands bothfeet feet hemithorax abdopelvis
and of or the with without both bilateral unilateral side sides part parts region area first second
third fourth fifth
"""
_ELSEWHERE = """
bauch becken bein beine ellbogen ellenbogen finger fuss hals handgelenk hufte huefte hüfte kiefer
knie kopf oberarm oberschenkel rucken ruecken rücken schadel schaedel schädel schulter
sprunggelenk unterarm unterschenkel wirbelsaule wirbelsäule zehe zehen links rechts
avant bras cheville coude crane crâne cuisse doigt doigts dos epaule épaule genou gauche droite
hanche jambe main mains orteil pied pieds poignet rachis tete tête ventre
brazo cabeza cadera codo cuello dedo espalda hombro mano manos muneca muñeca muslo pie pierna
rodilla tobillo torax tórax izquierda derecha
anca braccio caviglia ginocchio gomito spalla testa dito polso sinistra destra
"""
_SCALE_WORDS = """
activity assessment burning cdasi chander disability extent fatigue finger function global hand
haq itch itching life mawdsley mrss of pain patient physician quality radiograph radiographic
radiographs reader scale scleroderma score sctc severity shaq srs stiffness swelling tenderness
total ulcer vas visual analogue analog
"""
_SCALES = frozenset(_SCALE_WORDS.split())
_WORDS = frozenset(f"{_BODY} {_SHORT} {_ELSEWHERE}".split())
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_CODE = re.compile(r"[\w .+\-/\\:,;()&*#%=]+")
_LONG_NUMBER = re.compile(r"\d{5,}")
_UID = re.compile(r"[0-9.]{1,64}")


def anatomical(text: str | None) -> str | None:
    """The text where all its words are terms of anatomy, sides or small numbers; else None.

    Numbers of up to two digits count ribs, rays and vertebrae; longer ones are dates or the
    numbers of persons.
    """
    parts = _PARTS.findall((text or "").lower())
    if len(text or "") > 80 or not any(part in _WORDS for part in parts):
        return None
    known = all(part in _WORDS or len(part) == 1 or _is_small(part) for part in parts)
    return text if known else None


def _is_small(part: str) -> bool:
    return part.isdecimal() and len(part) <= 2


def scale(text: str) -> str | None:
    """The name of a scale or a score, where it is made of the words of such; else None."""
    parts = _PARTS.findall(text.lower())
    known = all(part in _SCALES or _is_small(part) for part in parts)
    return text if known and any(part in _SCALES for part in parts) else None


def code(text: str | None, most: int = 64) -> str | None:
    """What a machine writes of itself (maker, model, kernel); None for what looks otherwise."""
    if text and len(text) <= most and _CODE.fullmatch(text) and not _LONG_NUMBER.search(text):
        return text
    return None


def uid(text: str | None) -> str | None:
    """A UID as DICOM has them (PS3.5 9.1): digits and dots; None for anything else."""
    return text if text and _UID.fullmatch(text) else None
