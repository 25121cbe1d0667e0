"""Words that are names too, but say something clinical or technical far more often: never hunted alone."""

from typing import Final

COMMON: Final = frozenset(
    """
    abdomen abdominal acetabulum adrenal angio ankle aorta apex arm arterial arteries artery axial back base bone
    bladder body bolus bone bowel brain breast bronchus calcaneus cardiac carotid cava cerebral cervical chest
    clavicle coil colon contrast cor coronal coronary coccyx cranium ct cta cube delay delayed diffusion dose dwi
    early elbow exam extremity eye face femur fibula film filter finger fine flair fluoro foot fusion gallbladder
    gate gated gradient hand head heart hip humerus hyper iac imaging instance jaw joint kidney knee large late
    lateral left leg lens lesion limb liver localizer long lower lumbar lung mandible mass maxilla mean medial
    mr mri mra native neck nerve new nose oblique orbit ovary pancreas patella pelvic pelvis perfusion pet phase
    phantom plain plane portal post posterior pre prone prostate pulse pulmonary radius rad recon rest rib ribs
    right sag sagittal scan scapula scout series sharp shoulder skin skull slice small soft spin spine spleen
    standard stent sternum stomach stress study supine survey swi test thigh thin thoracic thorax throat thumb
    thyroid tibia toe tongue tra transverse trunk ulna upper uterus vein venous vertebra wall water whole wrist
    young green white brown black gray grey king rose stone field hall day may june august march april summer
    winter north south east west day hope grace price rich low high hill lake wood woods forest rivers bush moon
    sun star gold silver steel diamond van von der den del des dos the and for with without from ref
    dr md mr mrs ms miss sir jr sr ii iii iv phd prof rn ms frau herr mme dipl med
    ax cor sag fse gre tse epi tof dti asl bold map adc fa md rd tr te ti fov
    male female other unknown anonymous operator admin user tech technician default none system service
    siemens philips toshiba canon hitachi ge medical systems healthineers fuji fujifilm agfa hologic samsung
    """.split()
)
