"""Words for parts of the body: known ones in many languages, others told, never taken."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry import sites
from calcimetry.describe.place import SITES
from calcimetry.errors import UsageError
from calcimetry.sites import agree, body_part, chain, check_site, known_sites, understand
from calcimetry.terms import anatomical

TABLE = tomllib.loads(files("calcimetry").joinpath("sites.toml").read_text("utf-8"))

# PS3.16 Annex L, terms for limbs and large parts, as scanners write them.
DICOM = {
    "HAND": "hand", "WRIST": "wrist", "ELBOW": "elbow", "SHOULDER": "shoulder", "KNEE": "knee",
    "ANKLE": "ankle", "FOOT": "foot", "HIP": "hip", "PELVIS": "pelvis", "ABDOMEN": "abdomen",
    "CHEST": "chest", "TSPINE": "thoracic spine", "LSPINE": "lumbar spine", "HEAD": "head",
    "CSPINE": "cervical spine", "NECK": "neck", "LEG": "leg", "HUMERUS": "upper arm",
    "UPPERARM": "upper arm", "FOREARM": "forearm", "THIGH": "thigh", "FEMUR": "thigh",
    "CALF": "lower leg", "TIBIA": "lower leg", "FINGER": "finger", "TOE": "toe", "JAW": "jaw",
    "SKULL": "skull", "CLAVICLE": "shoulder", "SCAPULA": "shoulder", "THUMB": "thumb",
    "BUTTOCK": "buttock", "AXILLA": "axilla", "EAR": "ear", "ARM": "arm", "SPINE": "spine",
    "BACK": "back", "RIB": "rib", "HEART": "heart", "PATELLA": "knee", "CALCANEUS": "foot",
    "RADIUS": "forearm", "HAND/WRIST": "hand and wrist", "ABDOMEN_PELVIS": "trunk",
    "CHESTABDPELVIS": "trunk", "CHESTABDOMEN": "trunk", "NECKCHEST": "neck and chest",
    "NECKCHESTABDPELV": "neck and trunk", "HEADNECK": "head and neck", "TLSPINE": "thoracic spine",
    "HANDWRIST": "hand and wrist", "T-SPINE/L-SPINE": "spine", "UP_EXM": "arm",
    "Tibia-Fibula": "lower leg", "FINGER THUMB": "hand",
}  # fmt: skip

LANGUAGES = {
    "hand": "Hand main mano mão hand hånd dłoń кисть 手",
    "knee": "Knie genou rodilla ginocchio joelho knie knä kolano колено 膝",
    "foot": "Fuß FUSS pied pie piede pé voet fot stopa стопа 足",
    "elbow": "Ellenbogen coude codo gomito cotovelo elleboog armbåge łokieć локоть 肘",
    "wrist": "Handgelenk poignet muñeca polso punho pols handled nadgarstek запястье 手首",
    "shoulder": "Schulter épaule hombro spalla ombro schouder skulder bark 肩",
    "hip": "Hüfte Huefte hanche cadera anca quadril heup höft biodro 髋",
    "ankle": "Sprunggelenk Knöchel cheville tobillo caviglia tornozelo enkel fotled голеностоп",
    "thigh": "Oberschenkel cuisse muslo coscia coxa dij lår udo бедро",
    "chest": "Brust poitrine pecho torace tórax borst bröst грудь 胸",
    "head": "Kopf tête cabeza testa cabeça hoofd huvud głowa голова 頭",
}


@pytest.mark.parametrize("tag", DICOM)
def test_dicoms_own_terms_are_known(tag):
    said = understand(tag)
    assert said.site == DICOM[tag]
    assert said.unknown == ()


@pytest.mark.parametrize("site", LANGUAGES)
def test_names_in_other_languages_are_the_same_site(site):
    for word in LANGUAGES[site].split():
        assert understand(word).site == site, word
        assert understand(word.upper()).site == site, word


@pytest.mark.parametrize(
    "words",
    [
        *("left knee", "linkes Knie", "genou gauche", "rodilla izquierda", "ginocchio sinistro"),
        *("joelho esquerdo", "linker knie", "LT_KNEE", "KNEE, LEFT", "LEFTKNEE", "Knie li."),
        "左膝",
    ],
)
def test_the_side_is_told_in_them_too(words):
    assert (understand(words).side, understand(words).site) == ("left", "knee")


@pytest.mark.parametrize(
    "tag", ["WHOLEBODY", "PARTIALBODY", "EXTREMITY", "SPECIAL", "UNKNOWN", "OTHER", "CT", "", "N/A"]
)
def test_what_is_no_place_is_none(tag):
    assert understand(tag).sites == ()
    assert understand(tag).unknown == ()


@pytest.mark.parametrize(
    ("tag", "kept"),
    [
        ("HAND", ("HAND", False)),
        ("hand/wrist", ("HAND WRIST", False)),
        ("PARTIALBODY", ("PARTIALBODY", False)),
        ("", (None, False)),
        ("HAND_SMITH", ("HAND", True)),
        ("Smith, Jane", (None, True)),
        ("=cmd|' /C calc'!A0", (None, True)),
        ("-2", (None, True)),
        ("[/bold]", (None, True)),
        ("PE", (None, True)),
    ],
)
def test_of_a_tag_only_known_words_are_kept(tag, kept):
    assert body_part(tag) == kept


@pytest.mark.parametrize("words", ["left", "both hands", "hand", "Schulter rechts"])
def test_a_user_may_say_these(words):
    check_site(words)


@pytest.mark.parametrize("words", ["", "somewhere", "left hnad", "-2", "whole body", "\x1b[31m"])
def test_other_words_are_refused_with_the_list(words):
    with pytest.raises(UsageError) as caught:
        check_site(words)
    assert caught.value.code == "BAD_SITE"
    assert "forearm" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@given(st.text(max_size=30))
def test_a_site_holds_known_words_only(text):
    said = understand(text)
    assert set((said.site or "").split(" and ")) <= {"", *known_sites()}
    assert said.side in (None, "left", "right")
    kept, _ = body_part(text)
    assert understand(kept).sites == said.sites or kept is None or said.unknown


@pytest.mark.parametrize("word", ["hand", "q", "Knie"])
def test_words_of_any_length_are_told_at_once(word):
    """Taking these apart took minutes for 16 kB."""
    assert understand(word * 100_000).site is None


def test_every_word_means_one_site():
    meant = defaultdict(set)
    for name, about in TABLE["site"].items():
        for word in (name, *about["words"]):
            meant[sites._key(word)].add(name)
    for name, words in TABLE["side"].items():
        for word in words:
            meant[sites._key(word)].add(name)
    assert {word: names for word, names in meant.items() if len(names) > 1} == {}


def test_the_tables_own_names_are_sites():
    for about in TABLE["site"].values():
        assert {about.get("within", "arm"), *about.get("beside", ())} <= set(TABLE["site"])
        assert about["region"] in {"upper limb", "lower limb", "trunk", "head and neck"}
    for name in TABLE["site"]:
        assert chain(name)[0] == name
        assert understand(name).sites == (name,)
    assert set(SITES.values()) <= set(TABLE["site"])


@pytest.mark.parametrize("site", [*TABLE["site"], "hand and wrist"])
def test_every_site_may_stand_in_a_document(site):
    assert anatomical(site) == site


@given(st.sampled_from(sorted(TABLE["site"])), st.sampled_from(sorted(TABLE["site"])))
def test_agreement_has_no_direction(one, two):
    assert agree([one], [two]) == agree([two], [one])
    assert agree([one], [one])
