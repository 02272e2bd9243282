// Work with a package whose native code comes in optional packages of its own.
"use node";
import sharp from "sharp";
import { actionGeneric as action } from "convex/server";

/** Draws, shrinks and encodes a picture, and looks at the result. */
export const thumbnail = action({
  handler: async () => {
    const red = { r: 255, g: 0, b: 0 };
    const picture = sharp({ create: { width: 64, height: 32, channels: 3, background: red } });
    const png = await picture.resize(16).png().toBuffer();
    const { format, width, height } = await sharp(png).metadata();
    const pixel = await sharp(png).raw().toBuffer();
    return { format, width, height, pixel: [...pixel.subarray(0, 3)] };
  },
});
