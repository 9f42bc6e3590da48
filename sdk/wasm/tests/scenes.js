// Before the page's own script, in browsers whose camera cannot be a file: the scenes of page.test.mjs from a
// canvas, five seconds each, and the errors of the page.
window.complaints = [];
window.addEventListener('error', (event) => window.complaints.push(event.message));
window.addEventListener('unhandledrejection', (event) => window.complaints.push(String(event.reason)));
document.addEventListener('securitypolicyviolation', (event) => window.complaints.push(`Refused to connect: ${event.blockedURI}`));

// Files are chosen by the driver; a dialog would wait for somebody.
HTMLInputElement.prototype.click = () => {};

navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [160, 120];
  const context = canvas.getContext('2d');
  const image = context.createImageData(160, 120);
  let t = 0;
  const draw = () => {
    for (let y = 0; y < 120; y += 1) {
      for (let x = 0; x < 160; x += 1) {
        const stripes = (x + y + t) % 24 < 12 ? 235 : 150;
        const disc = Math.hypot(x - 80 - (t % 3), y - 60) < 40 ? 60 : 16;
        const shade = t % 50 < 25 ? stripes : disc;
        image.data.set([shade, shade, shade, 255], 4 * (160 * y + x));
      }
    }
    context.putImageData(image, 0, 0);
    t += 1;
  };
  draw();
  setInterval(draw, 200);
  return canvas.captureStream();
};
