import './base.css';
import './composer.css';
import './models.css';
import './access.css';
import './reading.css';
import './panel.css';
import './messages.css';
import './cells.css';
