// Time: which update is shown, and how it moves.

class Player {
  constructor(changed) {
    this.changed = changed; // called with the new step
    this.speed = 30; // updates a second
    this.playing = false;
    this.step = 0;
    this.last = 0; // the longest run
    this.frame = 0;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.playing || !this.last) return;
    if (this.step >= this.last) this.go(0);
    this.playing = true;
    this.place = this.step;
    this.time = null;
    this.frame = requestAnimationFrame((now) => this.tick(now));
    this.changed(this.step);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.changed(this.step);
  }

  tick(now) {
    if (!this.playing) return;
    if (this.time !== null) this.place += Math.min(0.1, (now - this.time) / 1000) * this.speed;
    this.time = now;
    const step = Math.min(this.last, Math.floor(this.place));
    if (step >= this.last) {
      this.step = step;
      this.pause();
      return;
    }
    this.frame = requestAnimationFrame((later) => this.tick(later));
    if (step !== this.step) {
      this.step = step;
      this.changed(step);
    }
  }

  // To an update; the player goes on from there.
  go(step) {
    this.step = this.place = Math.max(0, Math.min(this.last, step));
    this.changed(this.step);
  }
}
