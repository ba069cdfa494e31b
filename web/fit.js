/**
 * How the picture is laid into its place. A talking head may lose its sides, but not its chin: the picture covers the
 * place as long as enough of it stays visible, else it is as large as that allows, with bars around it.
 *
 * @param {{width: number, height: number}} place CSS pixels
 * @param {{width: number, height: number}} picture pixels of the stream
 * @param {'auto' | 'cover' | 'contain'} [fit]
 * @returns {{width: number, height: number}} size of the box, centred in the place, that the picture covers
 */
export function fitBox(place, picture, fit = 'auto') {
  if (!(picture.width > 0 && picture.height > 0 && place.width > 0 && place.height > 0)) return { ...place };
  if (fit === 'cover') return { ...place };
  const aspect = picture.width / picture.height;
  const leastWidth = fit === 'contain' ? 1 : 0.5;
  const leastHeight = fit === 'contain' ? 1 : 0.8;
  if (place.width / place.height < aspect) {
    return { width: place.width, height: Math.min(place.height, place.width / (aspect * leastWidth)) };
  }
  return { width: Math.min(place.width, (place.height * aspect) / leastHeight), height: place.height };
}
